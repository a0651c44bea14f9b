// Rows of `history`.

import type { HistoryItem } from "../wire.ts";
import { type ListLayout, type Row, truncateId } from "./rows.ts";
import { ellipsis } from "./table.ts";
import { rfc3339 } from "./time.ts";
import { ago, humanSize } from "./units.ts";

export const historyLayout: ListLayout = {
  typeName: "*image.historyContext",
  headers: {
    ID: "IMAGE",
    CreatedSince: "CREATED",
    CreatedAt: "CREATED AT",
    CreatedBy: "CREATED BY",
    Size: "SIZE",
    Comment: "COMMENT",
  },
};

/** The template behind `table`; others are the user's own. */
export function historyFormat(source: string, options: { quiet: boolean; human: boolean }): string {
  if (source !== "table") return source;
  if (options.quiet) return "{{.ID}}";
  const created = options.human ? "{{.CreatedSince}}" : "{{.CreatedAt}}";
  return `table {{.ID}}\t${created}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`;
}

/** Times before 2000 are no times: reproducible builds set them to the epoch. */
const epoch = Date.UTC(2000, 0, 1) / 1000;

/** The fields of a layer, each worked out when a template asks for it. */
export function historyRow(item: HistoryItem, options: { truncate: boolean; human: boolean }): Row {
  const { truncate, human } = options;
  const createdBy = item.CreatedBy.replaceAll("\t", " ");
  return {
    ID: () => (truncate ? truncateId(item.Id) : item.Id),
    CreatedAt: () => rfc3339(item.Created),
    CreatedSince: () => {
      if (!human) return rfc3339(item.Created);
      return item.Created <= epoch ? "N/A" : ago(item.Created);
    },
    CreatedBy: () => (truncate ? ellipsis(createdBy, 45) : createdBy),
    Size: () => (human ? humanSize(item.Size, 3) : String(item.Size)),
    Comment: () => item.Comment,
  };
}
