import type { ReactNode } from "react";

export type Column<Item> = {
  title: string;
  cell: (item: Item) => ReactNode;
  /** The cell that heads the card into which a row folds on a phone. */
  isLead?: boolean;
  /** For the whole cell, with the title that it carries on a phone. */
  className?: string;
};

type Props<Item> = {
  label: string;
  items: Item[];
  columns: Column<Item>[];
  keyOf: (item: Item) => string;
};

/** A table whose rows fold into cards on a phone. */
export function ColumnTable<Item>({ label, items, columns, keyOf }: Props<Item>) {
  return (
    <table className="table folds" aria-label={label}>
      <thead>
        <tr>
          {columns.map(({ title }) => (
            <th key={title} scope="col">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={keyOf(item)}>
            {columns.map(({ title, cell, isLead, className }) => (
              <td key={title} data-label={title} className={isLead ? `lead ${className ?? ""}` : className}>
                {cell(item)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
