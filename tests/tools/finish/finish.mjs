// finish.mjs RAW FINISHED: from what the compiler leaves to the module that Envoy loads.
//
// Our callbacks get the names that the host looks for, in place of the SDK's; every other callback is
// dropped, for the host enters the VM for each one that it finds. Then binaryen makes it smaller.
import { readFileSync, writeFileSync } from "node:fs";
import binaryen from "binaryen";

const OURS = /^tollgate_(on_.*)$/;
const KEPT = new Set(["memory", "_initialize", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate"]);

const [raw, finished] = process.argv.slice(2);
const module = binaryen.readBinary(readFileSync(raw));

const exports = Array.from({ length: module.getNumExports() }, (_, n) =>
  binaryen.getExportInfo(module.getExportByIndex(n)));
for (const { name } of exports) {
  if (!KEPT.has(name)) module.removeExport(name);
}
let ours = 0;
for (const { name, value } of exports) {
  const callback = OURS.exec(name)?.[1];
  if (callback) {
    module.addFunctionExport(value, `proxy_${callback}`);
    ours += 1;
  }
}
if (ours === 0) throw new Error(`${raw} has none of our callbacks`);

// What rustc uses for this target, and no more: V8 in Envoy refuses a module that is encoded with features beyond its own.
const { MVP, MutableGlobals, SignExt, NontrappingFPToInt, BulkMemory, Multivalue, ReferenceTypes } = binaryen.Features;
module.setFeatures(MVP | MutableGlobals | SignExt | NontrappingFPToInt | BulkMemory | (binaryen.Features.BulkMemoryOpt ?? 0) | Multivalue | ReferenceTypes);
binaryen.setOptimizeLevel(3);
binaryen.setShrinkLevel(Number(process.env.SHRINK ?? 1));
// What the compiler has left apart stays apart: V8 compiles all of the module before Envoy is ready, and takes
// far more than twice as long for a function of twice the length.
binaryen.setOneCallerInlineMaxSize(100);
// For the inner loop: `QUICK=1 make build` leaves out what takes most of the time.
if (!process.env.QUICK) module.optimize();
if (!module.validate()) throw new Error("the finished module is not valid");
writeFileSync(finished, module.emitBinary());
