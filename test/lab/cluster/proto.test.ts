// Our part of etcd's API against the descriptors that the server carries inside.

import { readFileSync } from "node:fs";
import { constants, gunzipSync } from "node:zlib";
import { type DescField, type DescFile, fromBinary, ScalarType } from "@bufbuild/protobuf";
import {
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { file_auth } from "../../../src/cluster/gen/auth_pb.ts";
import { file_kv } from "../../../src/cluster/gen/kv_pb.ts";
import { file_rpc } from "../../../src/cluster/gen/rpc_pb.ts";

const server = serverFiles("/usr/bin/etcd");

test.each([
  ["rpc.proto", file_rpc],
  ["kv.proto", file_kv],
  ["auth.proto", file_auth],
])("every field of %s has the number and the wire form that the server knows", (name, ours) => {
  const theirs = server.get(name);
  expect(theirs?.package).toBe(ours.proto.package);
  expect(ours.messages.length).toBeGreaterThan(0);
  expect(ourFields(ours)).toEqual(theirFields(theirs, ours));
});

test("every call has the messages and the streams that the server knows", () => {
  const theirs = new Map(
    server
      .get("rpc.proto")
      ?.service.flatMap((service) =>
        service.method.map((method) => [
          `${service.name}.${method.name}`,
          [method.inputType, method.outputType, method.clientStreaming, method.serverStreaming],
        ]),
      ),
  );
  const ours = file_rpc.services.flatMap((service) => service.methods);
  for (const { parent, name, input, output, proto } of ours)
    expect([`${parent.name}.${name}`, theirs.get(`${parent.name}.${name}`)]).toEqual([
      `${parent.name}.${name}`,
      [`.${input.typeName}`, `.${output.typeName}`, proto.clientStreaming, proto.serverStreaming],
    ]);
});

/** Go programs keep each .proto file's descriptor, zipped. */
function serverFiles(path: string): Map<string, FileDescriptorProto> {
  const bytes = readFileSync(path);
  const files = new Map<string, FileDescriptorProto>();
  const magic = Buffer.from([0x1f, 0x8b, 8]);
  for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) {
    const file = readDescriptor(bytes.subarray(at, at + 100_000));
    if (file) files.set(file.name, file);
  }
  return files;
}

function readDescriptor(zipped: Buffer): FileDescriptorProto | undefined {
  try {
    const bytes = gunzipSync(zipped, { finishFlush: constants.Z_SYNC_FLUSH });
    return fromBinary(FileDescriptorProtoSchema, bytes);
  } catch {
    return undefined;
  }
}

function ourFields(file: DescFile): string[] {
  return file.messages.flatMap((message) =>
    message.fields.map((field) =>
      line(message.name, field.name, field.number, ourForm(field), field.fieldKind === "list"),
    ),
  );
}

/** Those of the fields that we have too. */
function theirFields(file: FileDescriptorProto | undefined, ours: DescFile): string[] {
  return ours.messages.flatMap((message) => {
    const theirs = file?.messageType.find(({ name }) => name === message.name);
    return message.fields.flatMap(({ name }) => {
      const field = theirs?.field.find((one) => one.name === name);
      return field
        ? [
            line(
              message.name,
              name,
              field.number,
              theirForm(field),
              field.label === FieldDescriptorProto_Label.REPEATED,
            ),
          ]
        : [];
    });
  });
}

function line(message: string, field: string, number: number, form: string, isList: boolean): string {
  return `${message}.${field} = ${number} ${form}${isList ? "[]" : ""}`;
}

function ourForm(field: DescField): string {
  if (field.message) return `.${field.message.typeName}`;
  return ScalarType[field.scalar ?? 0] ?? "?";
}

/** An enumeration is an int32 on the wire. */
function theirForm({ type, typeName }: FieldDescriptorProto): string {
  if (type === FieldDescriptorProto_Type.ENUM) return "INT32";
  return type === FieldDescriptorProto_Type.MESSAGE ? typeName : (FieldDescriptorProto_Type[type] ?? "?");
}
