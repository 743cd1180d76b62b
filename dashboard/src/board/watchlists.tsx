/** The menu of watchlists: show one, save the selected rows as one, delete one. */

import { ChevronDown, Star } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { useState } from "react";
import { watchlists } from "../shell/preferences";
import { useSignal } from "../ui/signal";
import type { View } from "./view";

interface Props {
  view: View;
  setView: (change: Partial<View>) => void;
  selected: string[];
}

export function Watchlists({ view, setView, selected }: Props) {
  const lists = useSignal(watchlists);
  const [naming, setNaming] = useState(false);
  const save = (name: string) => {
    watchlists.set({ ...lists, [name]: selected });
    setView({ list: { name, ids: selected } });
    setNaming(false);
  };
  const remove = () => {
    const { [view.list?.name ?? ""]: _, ...rest } = lists;
    watchlists.set(rest);
    setView({ list: null });
  };
  if (naming) return <Naming products={selected.length} save={save} cancel={() => setNaming(false)} />;
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger className="button">
        <Star size={15} aria-hidden="true" /> {view.list?.name ?? "Watchlists"}{" "}
        <ChevronDown size={14} aria-hidden="true" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="start">
          <DropdownMenu.Item onSelect={() => setView({ list: null })}>All products</DropdownMenu.Item>
          {Object.entries(lists).map(([name, ids]) => (
            <DropdownMenu.Item key={name} onSelect={() => setView({ list: { name, ids } })}>
              {name} <span className="dim">{ids.length}</span>
            </DropdownMenu.Item>
          ))}
          <DropdownMenu.Separator className="separator" />
          <DropdownMenu.Item disabled={!selected.length} onSelect={() => setNaming(true)}>
            Save the selected rows…
          </DropdownMenu.Item>
          {view.list && lists[view.list.name] ? (
            <DropdownMenu.Item onSelect={remove}>Delete “{view.list.name}”</DropdownMenu.Item>
          ) : null}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

interface NamingProps {
  products: number;
  save: (name: string) => void;
  cancel: () => void;
}

function Naming({ products, save, cancel }: NamingProps) {
  return (
    <form
      className="inline"
      onSubmit={(event) => {
        event.preventDefault();
        const name = String(new FormData(event.currentTarget).get("name")).trim();
        if (name) save(name);
      }}
    >
      <input
        name="name"
        autoFocus
        maxLength={40}
        placeholder={`Name for ${products} products`}
        aria-label="Name of the watchlist"
      />
      <button type="submit" className="button primary">
        Save
      </button>
      <button type="button" className="button" onClick={cancel}>
        Cancel
      </button>
    </form>
  );
}
