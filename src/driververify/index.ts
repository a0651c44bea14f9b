// The conformance kit: does a driver keep the rules of `tsdocker/driverapi`?

export { Broken, NotApplicable } from "./check.ts";
export { ipamChecks, networkChecks } from "./checks/index.ts";
export { describeDriver, type TestRunner } from "./describe.ts";
export { type LoadOptions, loadSubjects } from "./load.ts";
export { countsOf, failureText, type Report, reportJson, reportText } from "./report.ts";
export { differences } from "./scene.ts";
export { type Outcome, openSession, type Subject, type VerifyOptions } from "./session.ts";
export {
  type NetworkTraits,
  type Remains,
  remainKinds,
  type Sandbox,
  type Stage,
  type StageLink,
} from "./stage.ts";
export { type VerifyRun, verifyDriver } from "./verify.ts";
export { Weather } from "./weather.ts";
