/** The search field above a list; `/` moves to it. */

import { useEffect, useRef, useState } from "react";
import { tinykeys } from "tinykeys";
import { shortcut } from "./keys";

interface Props {
  /** The list, for screen readers. */
  label: string;
  placeholder: string;
  search: string;
  setSearch: (search: string) => void;
}

export function SearchField({ label, placeholder, search, setSearch }: Props) {
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
      placeholder={`${placeholder}   /`}
      aria-label={label}
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
