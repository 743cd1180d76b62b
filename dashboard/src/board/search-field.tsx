/** The search field of the board; `/` moves to it. */

import { useEffect, useRef, useState } from "react";
import { tinykeys } from "tinykeys";
import { shortcut } from "../shell/keys";

interface Props {
  search: string;
  setSearch: (search: string) => void;
}

export function SearchField({ search, setSearch }: Props) {
  const field = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(search);
  useEffect(() => setText(search), [search]);
  useEffect(
    () =>
      tinykeys(window, {
        "/": shortcut(() => {
          field.current?.focus();
          field.current?.select();
        }),
      }),
    [],
  );
  return (
    <input
      ref={field}
      type="search"
      className="search"
      placeholder="Search name, id, category   /"
      aria-label="Search products"
      value={text}
      onChange={(event) => {
        setText(event.target.value);
        setSearch(event.target.value);
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        // Back to the rows; the browser would empty the field.
        event.preventDefault();
        event.currentTarget.blur();
      }}
    />
  );
}
