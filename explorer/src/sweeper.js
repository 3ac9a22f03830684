/** Has the sweep done: in a worker, so that the picture goes on, or between frames where there is none. */

import { measure } from "./measuring.js";

/** @typedef {import("./measuring.js").News} News */
/** @typedef {import("./measuring.js").Noise} Noise */

export class Sweeper {
  /**
   * @param {string} source The worker's program.
   * @param {(news: News) => void} tell
   */
  constructor(source, tell) {
    this.source = source;
    this.tell = tell;
    /** @type {Worker | null} */
    this.worker = null;
    this.turn = 0;
  }

  /**
   * Measure at a noise; what was being measured is given up.
   *
   * @param {Noise} noise
   */
  start(noise) {
    this.stop();
    const turn = this.turn;
    try {
      const url = URL.createObjectURL(new Blob([this.source], { type: "text/javascript" }));
      this.worker = new Worker(url);
      URL.revokeObjectURL(url);
      this.worker.onmessage = ({ data }) => this.tell(data);
      this.worker.onerror = () => this.between(noise, turn);
      this.worker.postMessage(noise);
    } catch {
      this.between(noise, turn); // some browsers allow a file no worker
    }
  }

  stop() {
    this.turn++;
    this.worker?.terminate();
    this.worker = null;
  }

  /**
   * @param {Noise} noise
   * @param {number} turn
   */
  between(noise, turn) {
    const parts = measure(noise);
    const next = () => {
      if (turn !== this.turn) return;
      const part = parts.next();
      if (part.done) return;
      this.tell(part.value);
      setTimeout(next, 50);
    };
    setTimeout(next);
  }
}
