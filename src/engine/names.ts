// Names for containers that were given none, and what a given one may look like.

import { randomInt } from "node:crypto";
import { invalid } from "../util/errors.ts";

const qualities = (
  "able amber bold brave brisk calm clear clever cosy crisp deft eager easy fair fast firm fleet fond frank fresh gentle " +
  "glad golden good grand happy hardy honest jolly keen kind lively loyal lucid lucky mellow merry mild neat nimble noble " +
  "patient polite prime proud quick quiet ready serene sharp silent smart snug solid sound steady still stout sunny swift " +
  "tidy trusty upbeat vivid warm wise witty zesty"
).split(" ");

const pioneers = (
  "baran bell bellovin berners boggs branly cailliau cerf cheriton clark comer crocker crowcroft davies deering dijkstra " +
  "feinler feynman floyd hamilton hertz hopper jacobson johnson kahn karn keshav kleinrock knuth lamarr lamport landweber " +
  "licklider liskov lovelace marconi metcalfe mills mockapetris morse moy nyquist partridge paxson perlman popov postel " +
  "pouzin ritchie roberts saltzer shannon shenker stevens stewart taylor tesla thompson tomlinson turing varghese wheeler " +
  "wilkes zhang zimmermann"
).split(" ");

/** A name that nobody has, such as `nimble_perlman`. */
export function inventName(isFree: (name: string) => boolean): string {
  for (let tries = 0; ; tries++) {
    const name = `${qualities[randomInt(qualities.length)]}_${pioneers[randomInt(pioneers.length)]}`;
    const candidate = tries < 5 ? name : `${name}${randomInt(10 ** Math.min(tries - 4, 9))}`;
    if (isFree(candidate)) return candidate;
  }
}

/** @throws invalid in Docker's words */
export function checkName(name: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) return name;
  throw invalid(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
}
