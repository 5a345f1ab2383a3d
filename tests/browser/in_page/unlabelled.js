// Fields of forms that nobody says the meaning of.
() =>
  [...document.querySelectorAll("input:not([type=hidden]), select, textarea")]
    .filter((field) => !field.hidden && !field.labels.length && !field.ariaLabel)
    .map((field) => field.outerHTML)
