#!/bin/sh
# Boots a systemd of its own over this machine's files: called by container.py in new namespaces, as root.
#   boot.sh FOLDER CHECKOUT PACKAGES
# What it writes goes into a memory file system and is gone with it. The checkout and its packages are at /opt.
set -e
folder=$1 checkout=$2 packages=$3
root=$folder/root
mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
mkdir "$root" "$folder/upper" "$folder/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root"
mkdir -p "$root/opt/checkout" "$root/opt/packages"
mount --bind "$checkout" "$root/opt/checkout"
mount --bind "$packages" "$root/opt/packages"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys" # the kernel is this machine's
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
	touch "$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
ln -s pts/ptmx "$root/dev/ptmx"
ip link set lo up
cd "$root"
mkdir -p old
pivot_root . old
umount -l /old
for unit in systemd-modules-load systemd-sysctl systemd-udevd systemd-udev-trigger systemd-random-seed systemd-timesyncd; do
	ln -sf /dev/null "/etc/systemd/system/$unit.service"
done
exec env -i container=ignite-sync PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd systemd.unit=basic.target
