// What the terminal of textual-serve (textual.js) does not do itself; it starts when the page is loaded.
"use strict";

const terminal = document.querySelector("#terminal");
const scheme = location.protocol === "https:" ? "wss" : "ws"; // behind a proxy that speaks TLS
terminal.dataset.sessionWebsocketUrl = `${scheme}://${location.host}/ws`;
document.title = `wrpme ${location.host}`;
new MutationObserver((_, observer) => {
  if (document.body.classList.contains("-loaded")) { // connected: keys go there from now on
    observer.disconnect();
    terminal.querySelector("textarea").focus();
  }
}).observe(document.body, {attributeFilter: ["class"]});
document.querySelector("#ended button").addEventListener("click", () => location.reload());

// Browsers give a page their clipboard where it comes over TLS or from this machine, and the user lets it; elsewhere the
// old way may do. An error would stop the terminal. Nothing in a terminal reads the clipboard.
const clipboard = navigator.clipboard;
Object.defineProperty(navigator, "clipboard", {
  value: {
    writeText: async (text) => (clipboard ? clipboard.writeText(text).catch(() => copyOld(text)) : copyOld(text)),
    readText: async () => "",
  },
});

function copyOld(text) {
  const focused = document.activeElement;
  const copied = document.createElement("textarea");
  copied.value = text;
  document.body.append(copied);
  copied.select();
  document.execCommand("copy");
  copied.remove();
  focused?.focus();
}
