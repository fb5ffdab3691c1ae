// Files beside this one, as bytes: with progress, checked, and kept for later visits where the browser can.
const CACHE = "fuzzydiff";

/** The response for a file beside this one; throws an Error that says what to do. */
export async function ask(file) {
  const address = new URL(file, import.meta.url);
  const response = await fetch(address, { cache: "no-cache" }).catch(({ message }) => {
    throw new Error(`live/${file} cannot be had (${message}). Is the connection or the server gone? Try again.`);
  });
  if (response.ok) return response;
  throw new Error(`live/${file} is missing from this book (status ${response.status}). Build the book again.`);
}

/**
 * The bytes of a file whose size and checksum are known; `came(count)` is called as they come. Throws an Error that
 * says what to do, also for a file with other bytes than those.
 */
export async function download({ file, bytes, sha256 }, came) {
  const absent = ({ message }) => console.warn(`${file} is not kept: ${message}`); // a reader may block site data
  const kept = await globalThis.caches?.open(CACHE).catch(absent);
  const key = new URL(`${file}?${sha256}`, import.meta.url);
  const found = await kept?.match(key);
  if (found) {
    came(bytes);
    return new Uint8Array(await found.arrayBuffer());
  }
  const data = new Uint8Array(bytes);
  let at = 0;
  for await (const chunk of chunks(await ask(file))) {
    if (at + chunk.length <= bytes) data.set(chunk, at);
    at += chunk.length;
    came(chunk.length);
  }
  const whole = at === bytes && (await checksum(data, sha256)) === sha256;
  if (!whole) throw new Error(`live/${file} is damaged: its checksum is not the right one. Reload the page.`);
  await kept?.delete(key, { ignoreSearch: true }); // an older one
  await kept?.put(key, new Response(data)).catch(absent);
  return data;
}

/** Gzipped bytes as they were before. */
export async function unpacked(data) {
  const stream = new Response(data).body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function* chunks(response) {
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
}

/** SHA-256 in hexadecimal, or where a browser has none, for want of https, the one that is expected. */
async function checksum(data, expected) {
  if (!globalThis.crypto?.subtle) return expected;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
