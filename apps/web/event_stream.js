// Server-sent events out of pieces of text that are cut anywhere. Pure.

export class EventStream {
  constructor() {
    this.rest = "";
    this.data = [];
  }

  // The data of every event that is complete with this piece.
  push(piece) {
    const events = [];
    // A line break may itself be cut: "\r" here, "\n" in the next piece.
    const text = this.rest + piece;
    const end = text.endsWith("\r") ? text.length - 1 : text.length;
    const lines = text.slice(0, end).split(/\r\n|\n|\r/);
    this.rest = lines.pop() + text.slice(end);
    for (const line of lines) {
      if (line === "") {
        if (this.data.length > 0) events.push(this.data.join("\n"));
        this.data = [];
      } else if (line.startsWith("data:")) {
        this.data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
    return events;
  }
}
