// Which user a process runs as: `user[:group]` looked up in the container's own /etc/passwd and /etc/group.

import { invalid } from "../../util/errors.ts";
import type { OciUser } from "../oci/schema.ts";
import type { RootfsTree } from "./tree.ts";

export interface ResolvedUser extends OciUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  /** From passwd; `/` where there is no entry. */
  readonly home: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const largestId = 2 ** 31 - 1;

/**
 * Docker's rules: "" is the user with id 0; a number is an id, listed or not; without a group the user's own group and
 * all that list the user; with one, only that. `groupAdd` comes on top. Throws invalid with Docker's text.
 */
export async function resolveUser(
  tree: RootfsTree,
  user: string,
  groupAdd: readonly string[] = [],
): Promise<ResolvedUser> {
  const [passwd = "", group = ""] = await Promise.all([
    tree.readText("/etc/passwd"),
    tree.readText("/etc/group"),
  ]);
  return lookUpUser({ passwd, group }, user, groupAdd);
}

/** The same over the texts of the two files. */
export function lookUpUser(
  files: { readonly passwd: string; readonly group: string },
  user: string,
  groupAdd: readonly string[],
): ResolvedUser {
  const [userPart = "", groupPart = ""] = user.split(":", 2);
  const groups = parseGroup(files.group);
  const entry = findUser(parsePasswd(files.passwd), userPart);
  const member = groups.filter(({ members }) => entry.name !== "" && members.includes(entry.name));
  const own = groupPart === "" ? { gid: entry.gid, more: member.map(({ gid }) => gid) } : undefined;
  const gid = own?.gid ?? findGroup(groups, groupPart, "unable to find group");
  const added = groupAdd.map((name) => findGroup(groups, name, "Unable to find group"));
  const additionalGids = [...new Set([...(own?.more ?? []), ...added])];
  return { uid: entry.uid, gid, additionalGids, home: entry.home };
}

function findUser(entries: readonly PasswdEntry[], wanted: string): PasswdEntry {
  const uid = wanted === "" ? 0 : parseId(wanted);
  const found = entries.find((entry) => (uid === undefined ? entry.name === wanted : entry.uid === uid));
  if (found) return found;
  if (uid === undefined) throw invalid(`unable to find user ${wanted}: no matching entries in passwd file`);
  if (uid > largestId) throw invalid("uids and gids must be in range 0-2147483647");
  return { name: "", uid, gid: 0, home: "/" };
}

function findGroup(entries: readonly GroupEntry[], wanted: string, complaint: string): number {
  const gid = parseId(wanted);
  const found = entries.find((entry) => (gid === undefined ? entry.name === wanted : entry.gid === gid));
  if (found) return found.gid;
  if (gid === undefined) throw invalid(`${complaint} ${wanted}: no matching entries in group file`);
  if (gid > largestId) throw invalid("uids and gids must be in range 0-2147483647");
  return gid;
}

function parsePasswd(text: string): readonly PasswdEntry[] {
  return lines(text).flatMap((line) => {
    const [name = "", , uid = "", gid = "", , home = ""] = line.split(":");
    const ids = [parseId(uid), parseId(gid)] as const;
    if (name === "" || ids[0] === undefined) return [];
    return [{ name, uid: ids[0], gid: ids[1] ?? 0, home: home || "/" }];
  });
}

function parseGroup(text: string): readonly GroupEntry[] {
  return lines(text).flatMap((line) => {
    const [name = "", , gid = "", members = ""] = line.split(":");
    const id = parseId(gid);
    return name === "" || id === undefined ? [] : [{ name, gid: id, members: members.split(",") }];
  });
}

function lines(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

const parseId = (text: string) => (/^\d+$/.test(text) ? Number(text) : undefined);
