// What a screen reader is told: whole sentences of a growing answer, never single words.

const region = () => document.getElementById("said");

export function announce(text) {
  const line = document.createElement("p");
  line.textContent = text;
  region().append(line);
  // Read by now; the region would grow without end.
  while (region().childNodes.length > 6) region().firstChild.remove();
}

export class SentenceAnnouncer {
  constructor(who) {
    this.prefix = who ? who + ": " : "";
    this.said = 0;
  }

  // `text` is the answer so far.
  follow(text) {
    const rest = text.slice(this.said);
    const ends = [...rest.matchAll(/[.!?:](?=\s)|\n/g)];
    if (ends.length === 0) return;
    const end = ends.at(-1).index + 1;
    this.say(rest.slice(0, end));
    this.said += end;
  }

  finish(text, ending) {
    this.say(text.slice(this.said));
    this.said = text.length;
    announce(ending);
  }

  say(sentence) {
    if (!sentence.trim()) return;
    announce(this.prefix + sentence.trim());
    this.prefix = "";
  }
}
