// nginx:latest: Debian's nginx with bash, curl and the network tools one looks for inside a container, laid out like
// the image of that name that people know: same paths, same default page, logs on stdout and stderr.

import { debianArchitecture, fetchPackages } from "./apt.ts";
import type { Recipe } from "./archive.ts";
import { Rootfs } from "./rootfs.ts";

const wanted = [
  "nginx bash dash coreutils curl findutils grep sed mawk hostname procps",
  "base-files base-passwd libc-bin ncurses-base iproute2 iputils-ping",
]
  .join(" ")
  .split(" ");

/** Only package set-up scripts need these, and none is run. */
const unneeded =
  /perl|^(usrmerge|init-system-helpers|dpkg|debconf|tar|gcc-\d+-base|libcap2-bin|libdb5.3)$|^libgdbm/;

const unwanted = [
  /^usr\/share\/(doc|man|info|locale|lintian|bug|bash-completion|menu|pixmaps|i18n|common-licenses|debianutils)\//,
  /^usr\/share\/(apport|applications|icons|vim|zsh|upstart|initramfs-tools)\//,
  /^(etc|usr\/lib)\/(init\.d|init|systemd|logrotate\.d|ufw|cron\.daily|default|perl5)(\/|$)/,
  /gconv\/(?!gconv-modules|UTF|ISO8859-1\.|UNICODE)/,
  /^etc\/nginx\/(sites-|snippets|modules-|nginx\.conf|conf\.d)/,
  /^var\/www/,
];

export async function nginx(packages: string): Promise<{ recipe: Recipe; rootfs: Buffer }> {
  const rootfs = new Rootfs();
  for (const dir of ["bin", "sbin", "lib", "lib64"]) rootfs.symlink(dir, `usr/${dir}`).dir(`usr/${dir}`);
  const debs = await fetchPackages(packages, wanted, unneeded);
  for (const deb of debs) await rootfs.addPackage(deb, (path) => !unwanted.some((one) => one.test(path)));
  addUsers(rootfs);
  addServer(rootfs);
  const version = /\/nginx_([^-_]+)/.exec(debs.find((deb) => /\/nginx_/.test(deb)) ?? "")?.[1] ?? "";
  return { recipe: await recipe(version), rootfs: await rootfs.tar() };
}

/** What the set-up scripts of base-passwd, base-files and libc would have done. */
function addUsers(rootfs: Rootfs): void {
  const passwd = rootfs.read("usr/share/base-passwd/passwd.master").toString().replace(/:\*:/g, ":x:");
  const group = rootfs.read("usr/share/base-passwd/group.master").toString().replace(/:\*:/g, ":x:");
  rootfs.file(
    "etc/passwd",
    `${passwd}nginx:x:101:101:nginx user:/nonexistent:/bin/false\n`.replace("root:/bin/sh", "root:/bin/bash"),
  );
  rootfs.file("etc/group", `${group}nginx:x:101:\n`);
  rootfs.file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  rootfs.file("root/.bashrc", "PS1='\\u@\\h:\\w\\$ '\n");
  rootfs.symlink("usr/bin/sh", "dash").symlink("usr/bin/awk", "mawk");
  rootfs.symlink("usr/bin/which", "which.debianutils");
  rootfs.dir("tmp", 0o1777).dir("var/tmp", 0o1777).dir("root", 0o700).dir("run").dir("run/lock", 0o1777);
  for (const dir of ["dev", "proc", "sys"]) rootfs.dir(dir);
}

function addServer(rootfs: Rootfs): void {
  rootfs.file("etc/nginx/nginx.conf", serverConfig).file("etc/nginx/conf.d/default.conf", siteConfig);
  rootfs.file("usr/share/nginx/html/index.html", page);
  rootfs.symlink("var/log/nginx/access.log", "/dev/stdout").symlink("var/log/nginx/error.log", "/dev/stderr");
  rootfs.dir("var/lib/nginx").dir("var/cache/nginx");
}

async function recipe(version: string): Promise<Recipe> {
  const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  return {
    name: "nginx:latest",
    architecture: await debianArchitecture(),
    createdBy: "nginx, bash, curl and iproute2 from Debian packages",
    config: {
      ExposedPorts: { "80/tcp": {} },
      Env: [path, `NGINX_VERSION=${version}`],
      Cmd: ["nginx", "-g", "daemon off;"],
      Labels: { maintainer: "tsdocker sample images" },
      StopSignal: "SIGQUIT",
    },
  };
}

const serverConfig = `user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;

events {
    worker_connections 1024;
}

http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                    '$status $body_bytes_sent "$http_referer" '
                    '"$http_user_agent" "$http_x_forwarded_for"';
    access_log /var/log/nginx/access.log main;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
`;

const siteConfig = `server {
    listen 80;
    listen [::]:80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
}
`;

const page = `<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
html { color-scheme: light dark; }
body { width: 35em; margin: 0 auto; font-family: Tahoma, Verdana, Arial, sans-serif; }
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>If you see this page, the nginx web server is successfully installed and working.</p>
</body>
</html>
`;
