/* Figures are light on paper. Browsers print the picture that is on the screen: it goes before. */

for (const picture of document.querySelectorAll("picture")) {
  const dark = picture.querySelector("source");
  addEventListener("beforeprint", () => dark.remove());
  addEventListener("afterprint", () => picture.prepend(dark));
}
