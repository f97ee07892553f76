// finish.mjs MODULE FINISHED CALLBACK…: drops every callback but these, and has binaryen make the rest smaller, as `make build`
// does for Tollgate. A fair minimum has had the same treatment.
import { readFileSync, writeFileSync } from "node:fs";

const { default: binaryen } = await import(new URL("../../tools/finish/node_modules/binaryen/index.js", import.meta.url));

const [source, finished, ...callbacks] = process.argv.slice(2);
const kept = new Set(["memory", "_initialize", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate",
  ...callbacks.map((name) => `proxy_${name}`)]);
const module = binaryen.readBinary(readFileSync(source));
const names = Array.from({ length: module.getNumExports() }, (_, n) =>
  binaryen.getExportInfo(module.getExportByIndex(n)).name);
for (const name of names) {
  if (!kept.has(name)) module.removeExport(name);
}
// What rustc uses for this target, and no more: V8 in Envoy refuses others.
const { MVP, MutableGlobals, SignExt, NontrappingFPToInt, BulkMemory, Multivalue, ReferenceTypes } = binaryen.Features;
module.setFeatures(MVP | MutableGlobals | SignExt | NontrappingFPToInt | BulkMemory | (binaryen.Features.BulkMemoryOpt ?? 0) | Multivalue | ReferenceTypes);
binaryen.setOptimizeLevel(3);
binaryen.setShrinkLevel(1);
module.optimize();
if (!module.validate()) throw new Error(`${finished} is not valid`);
writeFileSync(finished, module.emitBinary());
