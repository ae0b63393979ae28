// Keys of the page. Single letters count only outside of text fields, and only while they are on.

import { settings } from "./settings.js";

export function listenToKeys(app) {
  const letters = {
    "/": () => app.composer.focus(), n: () => app.begin(), a: () => app.composer.openMenu(true),
    r: () => { const last = app.conversation.turns.at(-1); if (last) app.askAgain(last, last.text); },
    e: () => app.chat.editLast(), h: () => app.toggleSidebar(), t: () => app.theme(),
    ",": () => app.settings(), "?": () => app.shortcuts(),
  };
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.defaultPrevented) return;
    if (event.key === "Escape") {
      if (document.documentElement.classList.contains("sidebar") && !document.getElementById("shade").hidden) app.close();
      else app.stop();
      return;
    }
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    // An empty question gives way to the list of shortcuts, for nothing begins with a question mark.
    const asksForHelp = event.key === "?" && event.target.id === "question" && event.target.value === "";
    if ((typing && !asksForHelp) || event.ctrlKey || event.metaKey || event.altKey || !settings.shortcuts) return;
    if (!letters[event.key] || !app.model) return;
    event.preventDefault();
    letters[event.key]();
  });
}
