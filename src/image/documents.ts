// Docker's documents about images: ImageSummary, ImageInspect, history.

import type { ImageName, StoredImage } from "./catalogue.ts";
import type { ImageContext } from "./context.ts";
import type { ExecutionConfig, HistoryEntry } from "./oci.ts";
import { familiarString } from "./reference.ts";

export interface ImageSummary {
  readonly Id: string;
  readonly ParentId: "";
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  /** Seconds since 1970. */
  readonly Created: number;
  readonly Size: number;
  readonly SharedSize: number;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Containers: number;
}

export interface HistoryRecord {
  readonly Id: string;
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Tags: readonly string[] | null;
  readonly Size: number;
  readonly Comment: string;
}

/** Go's zero time: what Docker shows for an image that does not say when it was made. */
const zeroTime = "0001-01-01T00:00:00Z";

/** An image as `GET /images/json` lists it; -1 stands for what was not asked for. */
export async function summaryOf(context: ImageContext, image: StoredImage): Promise<ImageSummary> {
  return {
    Id: image.id,
    ParentId: "",
    ...tagsAndDigests(context.catalogue.names(image.id)),
    Created: seconds(image.config.created),
    Size: await context.sizes.chain(image.chain),
    SharedSize: -1,
    Labels: image.config.config?.Labels ?? null,
    Containers: -1,
  };
}

/** Docker's ImageInspect, with the fields of older versions that tools still read. */
export async function inspectionOf(context: ImageContext, image: StoredImage) {
  const { config, id, chain } = image;
  const names = context.catalogue.names(id);
  const size = await context.sizes.chain(chain);
  const setAt = names.map((name) => name.setAt.getTime()).sort((a, b) => b - a)[0];
  return {
    Id: id,
    ...tagsAndDigests(names),
    Parent: "",
    Comment: config.comment ?? config.history?.at(-1)?.comment ?? "",
    Created: config.created ?? zeroTime,
    DockerVersion: config.docker_version ?? "",
    Author: config.author ?? "",
    Config: dockerConfig(config.config ?? {}),
    Architecture: config.architecture,
    ...(config.variant && { Variant: config.variant }),
    Os: config.os,
    ...(config["os.version"] && { OsVersion: config["os.version"] }),
    Size: size,
    VirtualSize: size,
    GraphDriver: { Name: context.containerd.snapshots.snapshotter, Data: null },
    RootFS: { Type: "layers", Layers: config.rootfs.diff_ids },
    Metadata: { LastTagTime: setAt === undefined ? zeroTime : new Date(setAt).toISOString() },
    Descriptor: image.manifest,
  };
}

/** Newest step first; steps that came with the image have no id of their own. */
export async function historyOf(
  context: ImageContext,
  image: StoredImage,
): Promise<readonly HistoryRecord[]> {
  const steps = image.config.history ?? image.chain.map((): HistoryEntry => ({}));
  let layer = 0;
  const sizes = steps.map((step) => {
    const chainId = step.empty_layer ? undefined : image.chain[layer++];
    return chainId === undefined ? Promise.resolve(0) : context.sizes.layer(chainId);
  });
  const records = await Promise.all(
    steps.map(async (step, at) => ({
      Id: "<missing>",
      Created: seconds(step.created),
      CreatedBy: step.created_by ?? "",
      Tags: null,
      Size: (await sizes[at]) ?? 0,
      Comment: step.comment ?? "",
    })),
  );
  const { RepoTags } = tagsAndDigests(context.catalogue.names(image.id));
  const newest = { Id: image.id, Tags: RepoTags.length > 0 ? RepoTags : null };
  return records.reverse().map((record, at) => (at === 0 ? { ...record, ...newest } : record));
}

/** Seconds since 1970; 0 for what has no time. */
export function seconds(time: string | undefined): number {
  const ms = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(ms) ? 0 : Math.floor(ms / 1000);
}

/** Names in Docker's short form, by kind. */
export function tagsAndDigests(names: readonly ImageName[]): { RepoTags: string[]; RepoDigests: string[] } {
  const references = names.map(({ reference }) => reference);
  return {
    RepoTags: references.filter((one) => one.tag !== undefined).map(familiarString),
    RepoDigests: references.filter((one) => one.digest !== undefined).map(familiarString),
  };
}

/** An image's configuration in the shape of a container's, as Docker shows it. */
function dockerConfig(config: ExecutionConfig) {
  return {
    Hostname: "",
    Domainname: "",
    User: config.User ?? "",
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    ...(config.ExposedPorts && { ExposedPorts: config.ExposedPorts }),
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: config.Env ?? null,
    Cmd: config.Cmd ?? null,
    ...(config.Healthcheck && { Healthcheck: config.Healthcheck }),
    Image: "",
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir ?? "",
    Entrypoint: config.Entrypoint ?? null,
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels ?? null,
    ...(config.StopSignal && { StopSignal: config.StopSignal }),
    ...(config.StopTimeout !== undefined && { StopTimeout: config.StopTimeout }),
    ...(config.Shell && { Shell: config.Shell }),
  };
}
