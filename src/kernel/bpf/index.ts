// eBPF: programs that are put together here, the maps they look into, and links whose packets they judge.

export {
  addClsact,
  type BpfFilter,
  deleteFilter,
  setFilter,
} from "./filter.ts";
export * from "./instructions.ts";
export { BpfMap, BpfProgram, type MapSpec, type ProgramSpec } from "./objects.ts";
export { attachEarly, detachEarly, type LinkIn, programsOn } from "./tcx.ts";
