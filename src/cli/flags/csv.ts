// One record of comma-separated values as Go's encoding/csv reads it: quotes around a field, "" for a quote inside.

/** The fields of the first line. Throws csv's own texts for stray quotes. */
export function parseCsvLine(line: string): string[] {
  if (line === "") throw new Error("EOF");
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const [field, next] = line[at] === '"' ? quotedField(line, at) : bareField(line, at);
    fields.push(field);
    if (next >= line.length) return fields;
    at = next + 1;
  }
}

function bareField(line: string, start: number): [string, number] {
  const comma = line.indexOf(",", start);
  const end = comma < 0 ? line.length : comma;
  const field = line.slice(start, end);
  const quote = field.indexOf('"');
  if (quote >= 0) {
    throw new Error(`parse error on line 1, column ${start + quote + 1}: bare " in non-quoted field`);
  }
  return [field, end];
}

function quotedField(line: string, start: number): [string, number] {
  let field = "";
  for (let at = start + 1; at < line.length; at++) {
    if (line[at] !== '"') field += line[at];
    else if (line[at + 1] === '"') field += line[at++];
    else if (at + 1 === line.length || line[at + 1] === ",") return [field, at + 1];
    else throw new Error(`parse error on line 1, column ${at + 1}: extraneous or missing " in quoted-field`);
  }
  throw new Error(
    `parse error on line 1, column ${line.length + 1}: extraneous or missing " in quoted-field`,
  );
}
