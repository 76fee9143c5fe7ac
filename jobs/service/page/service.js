// The HTTP service as the page sees it: voices, and speech as it arrives. Addresses are relative to the page's own.

const TOKEN_KEY = "speechmill-token";

// What the service said was wrong; needs_token where a bearer token is missing or wrong.
export class ServiceError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
    this.needs_token = status === 401;
  }
}

export function keep_token(token) {
  sessionStorage.setItem(TOKEN_KEY, token);
}

export function has_token() {
  return sessionStorage.getItem(TOKEN_KEY) !== null;
}

// What the model can do, as GET /v1/voices tells it.
export async function voices() {
  const response = await ask("v1/voices", {});
  return response.json();
}

// Speak; the response has the first sound in its body by the time it is there. Raises ServiceError.
export function speech(request, signal) {
  return ask("v1/audio/speech", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
    signal,
  });
}

// A WebSocket of speech; it takes the token as a subprotocol, for a browser sends no header of a page's choice.
export function live_socket() {
  const path = "v1/audio/speech/stream";
  const address = new URL(path, document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  const token = sessionStorage.getItem(TOKEN_KEY);
  const socket = new WebSocket(address, ["speechmill", ...(token === null ? [] : [`speechmill.bearer.${coded(token)}`])]);
  socket.binaryType = "arraybuffer";
  return socket;
}

// [{name, dur_ms}] in the order of a Server-Timing header; an entry without a duration tells nothing here.
export function server_timings(header) {
  const entries = (header ?? "").split(",").map((entry) => entry.trim().split(/\s*;\s*/));
  return entries.flatMap(([name, ...parameters]) => {
    const dur = parameters.map((parameter) => /^dur\s*=\s*"?([\d.]+)"?$/i.exec(parameter)).find(Boolean);
    return name && dur && Number.isFinite(Number(dur[1])) ? [{ name, dur_ms: Number(dur[1]) }] : [];
  });
}

function coded(token) {
  return btoa(token).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function ask(path, options) {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const headers = { ...options.headers, ...(token === null ? {} : { Authorization: `Bearer ${token}` }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("The service cannot be reached.");
  }
  if (response.ok) return response;
  throw new ServiceError(explained(response, await response.text().catch(() => "")), response.status);
}

function explained(response, body) {
  let message = `The service answered with status ${response.status}.`;
  try {
    message = JSON.parse(body).error.message || message;
  } catch {
    // Something between the page and the service answered in its own way.
  }
  const wait_s = response.headers.get("Retry-After");
  return wait_s === null ? message : `${message} Try again in ${wait_s} s.`;
}
