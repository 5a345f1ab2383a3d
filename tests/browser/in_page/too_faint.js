// How many texts were looked at, and which have less contrast than WCAG's AA asks for: 4.5, or 3 where they are large.
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  // A colour as the browser paints it, whatever way it is written.
  const painted = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (front, back) => [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3])).concat(1);
  const behind = (element) => {
    if (!element) return painted("Canvas");
    const own = painted(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(element.parentElement));
  };
  const opacity = (element) => (element ? getComputedStyle(element).opacity * opacity(element.parentElement) : 1);
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const light = ([red, green, blue]) =>
    0.2126 * linear(red / 255) + 0.7152 * linear(green / 255) + 0.0722 * linear(blue / 255);
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };

  const found = new Set();
  const judge = (element, colour, text) => {
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const front = painted(colour);
    front[3] *= opacity(element);
    const back = behind(element);
    const there = contrast(over(front, back), back);
    if (there < wanted) found.add(`${there.toFixed(2)}: ${colour}, ${element.outerHTML.slice(0, 80)}, ${text}`);
  };

  let count = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.getBoundingClientRect().width || element.closest(":disabled, svg, option")) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    judge(element, getComputedStyle(element).color, text.slice(0, 40));
    count += 1;
  }
  for (const field of document.querySelectorAll("input[placeholder]"))
    judge(field, getComputedStyle(field, "::placeholder").color, field.placeholder);
  return { count, found: [...found] };
}
