"""The end of a forked daemon reaches every task that waits for it."""

import socket

import trio
import trio.testing

from tests.e2e.warm import ForkedProcess

PATIENCE = 10.0


async def test_a_task_that_waits_learns_of_an_end_that_another_task_has_seen_first() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    process, codes = ForkedProcess(1, ours), list[int]()

    async def wait(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        codes.append(await process.wait())

    with theirs, trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(wait)
            await trio.testing.wait_all_tasks_blocked()
            theirs.send(b"0")
            assert process.returncode == 0
    assert codes == [0]
