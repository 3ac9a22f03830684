/* Commands and citations to the clipboard, and all numbers of the page as one file. */

const SAID = 1500; // milliseconds

for (const block of document.querySelectorAll("pre")) {
  const copy = button("Copy", "", async () => {
    const text = block.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(block.querySelector("code"));
      copy.textContent = "Selected";
    }
    setTimeout(() => (copy.textContent = "Copy"), SAID);
  });
  block.after(toolbar(copy));
}

const numbers = button("Save all numbers (JSON)", "", () => {
  const text = JSON.stringify(read("summary"), null, 1) + "\n";
  save("summary.json", new Blob([text], { type: "application/json" }));
});
document.querySelector("main > section:last-of-type").append(toolbar(numbers));
