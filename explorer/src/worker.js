/** The worker: it is told a noise, and tells what it measures as it goes. */

import { measure } from "./measuring.js";

self.onmessage = (/** @type {MessageEvent} */ { data }) => {
  for (const news of measure(data)) self.postMessage(news);
};
