// What goes beyond the right edge of the window and is not within something that scrolls by itself.
() => {
  const root = document.documentElement;
  const found = root.scrollWidth > root.clientWidth ? [`the page is ${root.scrollWidth} wide`] : [];
  const isCutOff = (element) =>
    element &&
    element !== document.body &&
    (getComputedStyle(element).overflowX !== "visible" || isCutOff(element.parentElement));
  for (const element of document.querySelectorAll("body *")) {
    const box = element.getBoundingClientRect();
    const isWide = box.width > 1 && box.right > root.clientWidth + 1;
    if (isWide && !isCutOff(element.parentElement)) found.push(element.outerHTML.slice(0, 200));
  }
  return found;
}
