export async function show() { throw new Error("not yet"); }
