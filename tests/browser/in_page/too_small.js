// What a finger would miss: WCAG 2.2 asks for 24 by 24 pixels of whatever is not within a sentence.
() =>
  [...document.querySelectorAll("button, a.button, nav a, select, summary, input:not([type=hidden])")]
    .map((element) => [element.getBoundingClientRect(), element])
    .filter(([box, element]) => box.width > 1 && !["radio", "checkbox"].includes(element.type))
    .filter(([box]) => box.height < 24 || box.width < 24)
    .map(([box, element]) => `${box.width} × ${box.height}: ${element.outerHTML.slice(0, 120)}`)
