/** The menu that shows and hides columns. */

import { Columns3 } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { HEADS } from "./columns";
import { COLUMNS, type View } from "./view";

export function ColumnMenu({ view, setView }: { view: View; setView: (change: Partial<View>) => void }) {
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger className="button wide-only" aria-label="Columns">
        <Columns3 size={15} aria-hidden="true" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="start">
          {COLUMNS.map((name) => (
            <DropdownMenu.CheckboxItem
              key={name}
              checked={view.columns.includes(name)}
              onSelect={(event) => event.preventDefault()}
              onCheckedChange={(shown) =>
                setView({
                  columns: COLUMNS.filter((each) => (each === name ? shown : view.columns.includes(each))),
                })
              }
            >
              <DropdownMenu.ItemIndicator className="tick">✓</DropdownMenu.ItemIndicator>
              {HEADS[name]}
            </DropdownMenu.CheckboxItem>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
