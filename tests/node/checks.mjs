/**
 * Checks that run one after the other, each telling on a line of JSON how it went.
 *
 * tests/test_clients_node.py reads the lines. It gives us the addresses of a mock that echoes
 * at once (BASE_URL) and of one that takes its time (SLOW_BASE_URL).
 */

export const BASE_URL = process.env.BASE_URL;
export const SLOW_BASE_URL = process.env.SLOW_BASE_URL;

const DEADLINE_MS = 15_000;

const checks = [];

export function check(name, run) {
  checks.push({ name, run });
}

export async function report() {
  for (const { name, run } of checks) {
    const began = performance.now();
    const error = await outcome(run);
    const ms = Math.round(performance.now() - began);
    console.log(JSON.stringify({ check: name, error, ms }));
  }
}

async function outcome(run) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  try {
    await Promise.race([run(), late]);
    return null;
  } catch (error) {
    return told(error);
  } finally {
    clearTimeout(timer);
  }
}

/** The error, what caused it, and what the server said, as far as the client shows it. */
function told(error) {
  const parts = [error?.stack ?? JSON.stringify(error) ?? String(error)];
  if (error?.responseBody) parts.push(`Response: ${error.responseBody}`);
  if (error?.cause) parts.push(`Cause: ${told(error.cause)}`);
  return parts.join("\n");
}
