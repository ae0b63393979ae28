// Text for other programs.

import { announce } from "./announce.js";

export async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
  } else {
    // Browsers lend the clipboard only to pages over https or from this machine; a selection can
    // be copied by all.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    focused?.focus();
  }
  announce("Copied.");
}
