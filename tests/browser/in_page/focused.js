// What has the focus: its name, and whether it is seen and marked so that one sees it.
() => {
  const element = document.activeElement;
  const box = element.getBoundingClientRect();
  const isOutlined = (style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const label = element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent;
  return {
    name: label.trim(),
    isMarked: isOutlined(getComputedStyle(element)) || isOutlined(getComputedStyle(element, "::after")),
    isSeen: box.bottom > 0 && box.top < innerHeight && box.width > 1,
  };
}
