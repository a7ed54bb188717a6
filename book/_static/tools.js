// Copy buttons for the two forms of a page's reference. Without this script the texts are there to be selected.
(function () {
  const chinese = (element) => element.lang.startsWith("zh");
  const words = {
    copy: (zh) => (zh ? "复制文字" : "Copy the text"),
    bibtex: (zh) => (zh ? "复制 BibTeX" : "Copy the BibTeX"),
    copied: (zh) => (zh ? "已复制" : "Copied"),
    selected: (zh) => (zh ? "已选中，按 Ctrl-C 复制" : "Selected: press Ctrl-C"),
  };

  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }

  async function copy(element) {
    try {
      await navigator.clipboard.writeText(element.textContent);
      return "copied";
    } catch (error) { // no permission, or no secure page
      select(element);
      return "selected";
    }
  }

  for (const block of document.querySelectorAll(".page-tools .cite > div")) {
    const status = document.createElement("span");
    status.setAttribute("role", "status");
    const buttons = [[".reference-text", "copy"], ["pre", "bibtex"]].map(([what, label]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = words[label](chinese(block));
      button.addEventListener("click", async () => {
        status.textContent = words[await copy(block.querySelector(what))](chinese(block));
      });
      return button;
    });
    block.append(...buttons, status);
  }
})();
