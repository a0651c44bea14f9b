// login.

import { type CommandSpec, type Invocation, maxArgs } from "../../command.ts";
import { type AuthConfig, authForServer, encodeEntry, helperFor, hubServer } from "../../config/auth.ts";
import { saveConfig } from "../../config/file.ts";
import { runCredentialHelper } from "../../config/helper.ts";
import { bool, text } from "../../flags/spec.ts";
import type { FlagValues } from "../../flags/values.ts";
import type { Session } from "../../session.ts";
import { readAll, readHidden } from "../../terminal-input.ts";
import { readLine } from "../confirm.ts";

export const login: CommandSpec = {
  usage: "[OPTIONS] [SERVER]",
  long: "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
  args: maxArgs(1),
  flags: [
    text("username", "Username", { short: "u" }),
    text("password", "Password or Personal Access Token (PAT)", { short: "p" }),
    bool("password-stdin", "Take the Password or Personal Access Token (PAT) from stdin"),
  ],
  run: runLogin,
};

async function runLogin({ session, flags, args }: Invocation): Promise<void> {
  checkFlags(flags);
  const given = args[0] === undefined || args[0] === "docker.io" ? hubServer : hostOf(args[0]);
  const stored = flags.string("username") === "" ? await authForServer(session.config, given) : {};
  const auth = await chooseCredentials(session, flags, { ...stored, serveraddress: given });
  const answer = await session.client.post<{ Status?: string; IdentityToken?: string }>("/auth", {
    json: auth,
  });
  await store(session, auth, answer?.IdentityToken ?? "");
  if (answer?.Status) session.out.line(answer.Status);
}

function hostOf(server: string): string {
  return server.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

function checkFlags(flags: FlagValues): void {
  if (flags.changed("password-stdin")) {
    if (flags.changed("password")) {
      throw new Error("conflicting options: cannot specify both --password and --password-stdin");
    }
    if (!flags.changed("username"))
      throw new Error("the --password-stdin option requires --username to be set");
  }
  if (flags.changed("username") && flags.string("username") === "") throw new Error("username is empty");
  if (flags.changed("password") && flags.string("password") === "") throw new Error("password is empty");
}

async function chooseCredentials(
  session: Session,
  flags: FlagValues,
  known: AuthConfig,
): Promise<AuthConfig> {
  if (flags.string("password") !== "") {
    session.err.line("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
  }
  const password = flags.bool("password-stdin") ? readAll().replace(/\r?\n$/, "") : flags.string("password");
  const username = flags.string("username").trim();
  if (username === "" && password === "" && known.username && known.password) {
    session.err.line(`Authenticating with existing credentials... [Username: ${known.username}]`);
    return known;
  }
  if ((username === "" || password === "") && !session.streams.stdinIsTerminal) {
    throw new Error("Error: Cannot perform an interactive login from a non TTY device");
  }
  return {
    serveraddress: known.serveraddress,
    username: username || askUsername(session, known.username ?? ""),
    password: password || (await askPassword(session)),
  };
}

function askUsername(session: Session, known: string): string {
  session.out.write(known === "" ? "Username: " : `Username (${known}): `);
  const name = readLine().trim() || known;
  if (name === "") throw new Error("Error: Non-null Username Required");
  return name;
}

async function askPassword(session: Session): Promise<string> {
  session.out.write("Password: ");
  const password = await readHidden();
  session.out.write("\n");
  if (password === "") throw new Error("Error: Password Required");
  return password;
}

async function store(session: Session, auth: AuthConfig, token: string): Promise<void> {
  const server = auth.serveraddress;
  const helper = helperFor(session.config, server);
  if (helper) {
    const secret = {
      ServerURL: server,
      Username: token ? "<token>" : auth.username,
      Secret: token || auth.password,
    };
    await runCredentialHelper(helper, "store", JSON.stringify(secret));
    return;
  }
  const { content } = session.config;
  const entry = encodeEntry(auth.username ?? "", token ? "" : (auth.password ?? ""));
  const kept = token ? { ...entry, identitytoken: token } : entry;
  saveConfig(session.config, { ...content, auths: { ...content.auths, [server]: kept } });
  session.err.line(`\nWARNING! Your credentials are stored unencrypted in '${session.config.path}'.`);
  session.err.line("Configure a credential helper to remove this warning. See");
  session.err.line("https://docs.docker.com/go/credential-store/\n");
}
