// The conformance kit: does a driver keep the rules of `tsdocker/driverapi`?

export type { DriverTraits } from "../driverapi/index.ts";
export { Broken } from "./check.ts";
export { ipamChecks, networkChecks } from "./checks/index.ts";
export { describeDriver, type TestRunner } from "./describe.ts";
export type { IpamStage } from "./ipam-scene.ts";
export { type LoadOptions, loadSubjects } from "./load.ts";
export { countsOf, failureText, type Report, reportJson, reportText } from "./report.ts";
export { type Outcome, openSession, type Plan, type VerifyOptions, type VerifySession } from "./session.ts";
export {
  type Remains,
  remainKinds,
  type Sandbox,
  type Stage,
  type StageLink,
} from "./stage.ts";
export type { Subject } from "./subject.ts";
export { type VerifyRun, verifyDriver } from "./verify.ts";
export { Weather } from "./weather.ts";
