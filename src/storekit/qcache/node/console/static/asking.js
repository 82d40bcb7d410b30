// Requests to the node. All are for this origin, and none changes anything.

export class Failure extends Error {}

export async function read(path, values = {}, signal = undefined) {
  const query = String(new URLSearchParams(values));
  return answerOf(await send(`console/data/${path}${query && "?"}${query}`, { signal }));
}

export async function post(path, content, signal = undefined) {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify(content);
  return answerOf(await send(`console/data/${path}`, { method: "POST", headers, body, signal }));
}

// The whole answer to a query, as any client gets it.
export async function csv(key, query) {
  const headers = { accept: "text/csv", "content-type": "application/json" };
  const path = `qcache/dataset/${encodeURIComponent(key)}/q`;
  const response = await send(path, { method: "POST", headers, body: JSON.stringify(query) });
  if (!response.ok) await answerOf(response);
  return response.blob();
}

async function send(path, options) {
  try {
    return await fetch(path, { ...options, credentials: "same-origin", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The node does not answer. Is it running, and is the network up?");
  }
}

async function answerOf(response) {
  if (response.ok) return response.json();
  if (response.status === 401) throw new Failure("The node wants a password: load the page anew.");
  let reason = "";
  try {
    reason = (await response.json()).error;
  } catch {
    // no JSON: the status has to do
  }
  throw new Failure(reason || `The node answers with the status ${response.status}.`);
}
