// What a template sees of the API's JSON. Go's client decodes it into structs and maps; the difference shows: a map
// may lack a key (<no value>), a struct may not (an error), and an absent optional field of a struct has its zero.

const mapMark = Symbol("map");
/** The Go type that an error names; an object that has it is a struct. */
export const goType = Symbol("go type");

/** An object whose keys are data. */
export function isMap(value: object): boolean {
  return mapMark in value;
}

/** Marks an object as a map. */
export function asMap<T extends object>(value: T): T {
  Object.defineProperty(value, mapMark, { value: true });
  return value;
}

const mapFields = new Set(
  `Labels Options Networks Ports PortBindings ExposedPorts Volumes Sysctls Tmpfs StorageOpt Annotations DriverOpts
   Containers Services Details Attributes AuxiliaryAddresses Data EndpointsConfig
   Subnets Effective Endpoints`.split(/\s+/),
);

const listFields = new Set(
  `Binds Cmd Entrypoint Env Dns DnsOptions DnsSearch CapAdd CapDrop GroupAdd Links VolumesFrom SecurityOpt Devices
   DeviceCgroupRules DeviceRequests Ulimits ExtraHosts ExecIDs Args Mounts MaskedPaths ReadonlyPaths Aliases
   DNSNames RepoTags RepoDigests OnBuild Shell Warnings BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps
   BlkioDeviceReadIOps BlkioDeviceWriteIOps SecondaryIPAddresses SecondaryIPv6Addresses Layers Peers`.split(
    /\s+/,
  ),
);

/** Fields that are left out of the JSON when they are zero, with what Go's client has in their place. */
const zeroOf: Readonly<Record<string, () => unknown>> = {
  Health: () => null,
  Healthcheck: () => null,
  Init: () => null,
  StopTimeout: () => null,
  SizeRw: () => null,
  SizeRootFs: () => null,
  Status: () => nilMap(),
  UsageData: () => null,
  IPAMConfig: () => null,
  MacAddress: () => "",
  Subnet: () => "",
  IPRange: () => "",
  Gateway: () => "",
  AuxAddress: () => nilMap(),
  StopSignal: () => "",
  Runtime: () => "",
  Comment: () => "",
  Variant: () => "",
  Auxiliary: () => nilMap(),
  NanoCpus: () => 0,
  GwPriority: () => 0,
  ArgsEscaped: () => false,
  NetworkDisabled: () => false,
  EnableIPv4: () => true,
};

/** Prepares parsed JSON for a template: maps marked, null lists and maps made Go's nil ones. Returns its argument. */
export function prepare(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  for (const [key, field] of Object.entries(value)) {
    if (field === null && listFields.has(key)) Object.assign(value, { [key]: nilList() });
    else if (field === null && mapFields.has(key)) Object.assign(value, { [key]: nilMap() });
    else if (typeof field === "object" && field !== null) {
      if (mapFields.has(key) && !Array.isArray(field)) asMap(field);
      prepare(field);
    }
  }
  return value;
}

/** The zero of a struct's field that its JSON left out; undefined when there is no such field. */
export function absentField(name: string): unknown {
  if (listFields.has(name)) return nilList();
  if (mapFields.has(name)) return nilMap();
  return zeroOf[name]?.();
}

const jsonNull = { value: () => "null", enumerable: false };

function nilList(): unknown[] {
  return Object.defineProperty([], "toGoJson", jsonNull);
}

function nilMap(): object {
  return asMap(Object.defineProperty({}, "toGoJson", jsonNull));
}

/** Go's truth: zero, "", nil and what is empty are false. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && value !== null) return !isMap(value) || Object.keys(value).length > 0;
  return Boolean(value);
}
