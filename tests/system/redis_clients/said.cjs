// What a scenario says and hears: each reply, or the words of each error, is a line of JSON, which the test compares
// with what the same scenario hears from a real redis-server.
'use strict';

function shown(value) {
  if (Buffer.isBuffer(value)) return { bytes: value.toString('base64') };
  if (value instanceof Error) return { error: value.message };
  if (typeof value === 'bigint') return { big: String(value) };
  if (Array.isArray(value)) return value.map(shown);
  if (value instanceof Map) return shown(Object.fromEntries(value));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, shown(value[key])]));
  }
  return value === undefined ? null : value;
}

// Prints what comes of a call; errors of the server are replies as well.
async function say(step, call) {
  let reply;
  try {
    reply = await call();
  } catch (error) {
    reply = error;
  }
  console.log(JSON.stringify({ step, reply: shown(reply) }));
  return reply;
}

// Prints what there is left to live, which differs by what a machine takes for a command: that it is there is enough.
function near(left, expected) {
  return left <= expected && left > expected / 2 ? 'near' : left;
}

// Runs a scenario on a port; what it can't handle ends the program with a code.
function run(scenario) {
  scenario(Number(process.argv[2])).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}

module.exports = { say, near, run };
