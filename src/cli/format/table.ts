// Aligns tab-separated cells as Go's text/tabwriter does: a column is as wide as its widest cell in a block of
// neighbouring lines that have it; the last cell of a line belongs to no column.

export interface TableLayout {
  readonly minWidth: number;
  readonly padding: number;
}

/** What Docker's lists use. */
export const listLayout: TableLayout = { minWidth: 10, padding: 3 };

/** Lays `text` out: lines end in \n, cells in \t. */
export function alignColumns(text: string, layout: TableLayout = listLayout): string {
  const ended = text.endsWith("\n");
  const lines = (ended ? text.slice(0, -1) : text).split("\n").map((line) => line.split("\t"));
  const widths = lines.map((): number[] => []);
  for (let column = 0; setWidths(lines, widths, column, layout); column++);
  const out = lines.map((cells, row) => cells.map((cell, at) => padCell(cell, widths[row]?.[at])).join(""));
  return out.join("\n") + (ended ? "\n" : "");
}

/** Measures one column in every block of lines that reaches past it; false when no line does. */
function setWidths(
  lines: readonly string[][],
  widths: number[][],
  column: number,
  layout: TableLayout,
): boolean {
  let found = false;
  for (let row = 0; row < lines.length; row++) {
    const first = row;
    let width = layout.minWidth;
    while ((lines[row]?.length ?? 0) > column + 1) {
      width = Math.max(width, displayWidth(lines[row]?.[column] ?? "") + layout.padding);
      row++;
    }
    for (let at = first; at < row; at++) widths[at]?.push(width);
    found ||= row > first;
  }
  return found;
}

function padCell(cell: string, width: number | undefined): string {
  return width === undefined ? cell : cell + " ".repeat(Math.max(0, width - displayWidth(cell)));
}

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;

/** Columns a text takes on a terminal: East Asian wide characters take two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of text) width += char > "\u10ff" && wide.test(char) ? 2 : 1;
  return width;
}

/** Cuts a text to `width` columns, the last one an ellipsis. */
export function ellipsis(text: string, width: number): string {
  if (width <= 0) return "";
  const chars = [...text];
  if (width === 1) return chars[0] ?? "";
  if (displayWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const char of chars) {
    used += displayWidth(char);
    if (used > width - 1) break;
    kept += char;
  }
  return `${kept}…`;
}
