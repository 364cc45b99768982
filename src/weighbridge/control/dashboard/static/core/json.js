// Reads JSON without losing a nano-dollar: amounts are BigInt, since above $9,007,199 a Number would round them.

const AMOUNTS = /(_nanousd|^amount|^spent|^held|^left)$/;

/** The value of a JSON text; integers under names of amounts are BigInt. */
export function parseJson(text) {
  return JSON.parse(text, (name, value, context) => {
    if (typeof value !== "number" || !AMOUNTS.test(name) || !Number.isInteger(value)) return value;
    return BigInt(context?.source !== undefined && /^-?\d+$/.test(context.source) ? context.source : value);
  });
}

/** JSON text of a value that may hold BigInt. */
export function writeJson(value) {
  const raw = typeof JSON.rawJSON === "function" ? JSON.rawJSON : (text) => Number(text);
  return JSON.stringify(value, (_name, each) => (typeof each === "bigint" ? raw(each.toString()) : each));
}
