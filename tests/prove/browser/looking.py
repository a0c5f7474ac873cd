"""Questions about a page, as scripts that answer them in the browser."""

TARGETS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]"
"""Everything that takes the focus, hidden fields aside."""

CUT_OFF = """
() => [...document.querySelectorAll('body *')].filter(element => {
  const box = element.getBoundingClientRect()
  return box.width && box.right > innerWidth + 1 && !element.closest('pre')
}).map(element => `${element.tagName} ${element.textContent.trim().slice(0, 40)}`)
"""
"""Elements beyond the right edge. Only JSON scrolls, in a box of its own."""

SMALL_TARGETS = f"""
() => [...document.querySelectorAll('{TARGETS}')]
  .filter(element => element.checkVisibility() && !element.matches('.skip, [tabindex]'))
  .map(element => {{
    const box = (element.type === 'checkbox' ? element.closest('label') : element).getBoundingClientRect()
    const least = element.type === 'checkbox' || element.matches('main a') ? 24 : 40
    const small = box.height < least || box.width < 24
    return small ? `${{element.outerHTML.slice(0, 80)}}: ${{box.width}}x${{box.height}}` : ''
  }}).filter(text => text)
"""
"""Targets that a thumb misses: WCAG asks for 24 pixels, and buttons, fields and the navigation have 40."""

NUMBER_TARGETS = f"""
() => {{
  const targets = [...document.querySelectorAll('{TARGETS}')].filter(element => element.checkVisibility())
  targets.forEach((target, number) => target.dataset.number = number)
  return targets.length
}}
"""
"""Gives each target its number; returns how many there are."""

FOCUSED = """
() => {
  const target = document.activeElement, style = getComputedStyle(target), box = target.getBoundingClientRect()
  return {
    number: Number(target.dataset.number ?? -1),
    ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && style.outlineColor,
    inside: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    html: target.outerHTML.slice(0, 80),
  }
}
"""
"""The target that has the focus: its number, the colour of the ring around it, and whether it is in the window."""

CONTRAST = """
() => {
  const light = colour => {
    const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const style = getComputedStyle(document.body)
  return {ground: light(style.backgroundColor), text: light(style.color)}
}
"""
"""The luminances of the page's ground and of its text, each from 0 to 1."""
