// What the kernel refused, in words and codes.

import { describe, expect, it } from "vitest";
import { errorCode, errorText, KernelError, kernelError, unless } from "../../../src/kernel/errors.ts";
import { hasCode } from "../../../src/util/errors.ts";

const native = (fields: object) =>
  Object.assign(new Error("open /run/netns/x: No such file or directory"), fields);

describe("a kernel error", () => {
  it("says what was tried, why it failed, and the detail", () => {
    const error = new KernelError("ip link add br0", 17, "name is taken");
    expect(error.message).toBe("ip link add br0: file exists: name is taken");
    expect([error.code, error.errno]).toEqual(["EEXIST", 17]);
  });

  it("has the names that Linux itself uses where a number has two", () => {
    expect([errorCode(95), errorCode(11)]).toEqual(["EOPNOTSUPP", "EAGAIN"]);
  });

  it("has a code and a text for any number", () => {
    expect([errorCode(524), errorText(524)]).toEqual(["ENOTSUPP", "not supported"]);
    expect([errorCode(4000), errorText(4000)]).toEqual(["E4000", "E4000"]);
  });

  it("names the namespace that could not be entered", () => {
    const error = kernelError(
      "bind 192.0.2.1:80/tcp",
      native({ errno: 2, syscall: "open", subject: "/run/netns/x" }),
    );
    expect(error.message).toBe("bind 192.0.2.1:80/tcp: no such file or directory: open /run/netns/x");
  });

  it("does not repeat a path that its words hold already", () => {
    const error = kernelError("connect /run/x", native({ errno: 2, syscall: "open", subject: "/run/x" }));
    expect(error.message).toBe("connect /run/x: no such file or directory");
  });

  it("leaves errors that are no system errors as they are", () => {
    const error = new TypeError("not a number");
    expect(kernelError("anything", error)).toBe(error);
    expect(kernelError("anything", "text").message).toBe("anything: text");
  });
});

describe("codes of errors", () => {
  it("are compared without looking at the text", () => {
    expect(hasCode(new KernelError("x", 2), "ESRCH", "ENOENT")).toBe(true);
    expect(hasCode(new KernelError("x", 2), "ESRCH")).toBe(false);
    expect(hasCode("ENOENT", "ENOENT")).toBe(false);
  });

  it("can mean that the work was done before", async () => {
    await expect(unless(["ENOENT"], Promise.reject(new KernelError("x", 2)))).resolves.toBeUndefined();
    await expect(unless(["ESRCH"], Promise.reject(new KernelError("x", 2)))).rejects.toThrow("no such file");
    await expect(unless(["ENOENT"], Promise.resolve(1))).resolves.toBe(1);
  });
});
