// The request of the form as a program: for curl, Python and JavaScript, ready to be pasted.
//
// Every text is quoted, so that no text can end its quotes and become code.

export const SNIPPETS = { curl: in_curl, Python: in_python, JavaScript: in_javascript };

const TOKEN = "SPEECHMILL_API_TOKEN";

// The body of a request: what is as it is by default is left out.
export function body_of({ model, input, voice, response_format, seed, speed }) {
  const body = { model, input, voice, response_format };
  if (seed) body.seed = seed;
  if (speed !== 1) body.speed = speed;
  return body;
}

// base: the address that paths such as audio/speech are below; needs_token: the service asks for one.
export function in_curl(request, base, needs_token) {
  const lines = [`curl --fail ${quoted(`${base}/audio/speech`)}`, `-H 'Content-Type: application/json'`];
  if (needs_token) lines.push(`-H "Authorization: Bearer $${TOKEN}"`);
  lines.push(`-d ${quoted(JSON.stringify(body_of(request)))}`, `-o ${file_of(request)}`);
  return lines.join(" \\\n  ");
}

export function in_python(request, base, needs_token) {
  const { seed, ...body } = body_of(request);
  const given = Object.entries(body).map(([key, value]) => `    ${key}=${JSON.stringify(value)},`);
  if (seed) given.push(`    extra_body={"seed": ${seed}},`);
  const key = needs_token ? `os.environ["${TOKEN}"]` : `"none"`;
  return [
    ...(needs_token ? ["import os", ""] : []),
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${JSON.stringify(base)}, api_key=${key})`,
    "with client.audio.speech.with_streaming_response.create(",
    ...given,
    ") as answer:",
    `    answer.stream_to_file("${file_of(request)}")`,
  ].join("\n");
}

export function in_javascript(request, base, needs_token) {
  const body = JSON.stringify(body_of(request), null, 2).replaceAll("\n", "\n  ");
  const headers = [`"Content-Type": "application/json"`];
  if (needs_token) headers.push(`Authorization: \`Bearer \${process.env.${TOKEN}}\``);
  return [
    `import { writeFile } from ${JSON.stringify("node:fs/promises")};`,
    "",
    `const answer = await fetch(${JSON.stringify(`${base}/audio/speech`)}, {`,
    `  method: "POST",`,
    `  headers: { ${headers.join(", ")} },`,
    `  body: JSON.stringify(${body}),`,
    "});",
    "if (!answer.ok) throw new Error(await answer.text());",
    `await writeFile("${file_of(request)}", Buffer.from(await answer.arrayBuffer()));`,
  ].join("\n");
}

function file_of({ response_format }) {
  return `speech.${response_format}`;
}

// For a shell: a quote ends the quotes, stands by itself, and begins them again.
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
