/** The head of the product page: the name, the price now, and the buttons that change it. */

import { ArrowLeft, Snowflake } from "lucide-react";
import { useLocation } from "wouter";
import { changeOf, type Row } from "../live/row";
import { freezeOf } from "../prices/freezes";
import { ChangeText, Price, SourceTag } from "../prices/price";
import { useStatus } from "../prices/status";
import { open } from "../shell/dialogs/opened";
import { withKey } from "../shell/session";
import { Age } from "../ui/clock";
import { formatNumber } from "../ui/format";

interface Props {
  id: string;
  row: Row | undefined;
  now: number;
}

export function Title({ id, row, now }: Props) {
  const [, go] = useLocation();
  return (
    <header className="title">
      <button
        type="button"
        className="icon"
        aria-label="Back to the board"
        onClick={() => (history.length > 1 ? history.back() : go("/"))}
      >
        <ArrowLeft size={18} aria-hidden="true" />
      </button>
      <div>
        <h1>
          <bdi>{row?.name || id}</bdi>
        </h1>
        <p className="dim">
          {id}
          {row?.category ? (
            <>
              {" · "}
              <bdi>{row.category}</bdi>
            </>
          ) : null}
        </p>
      </div>
      <div className="spacer" />
      {row ? <Headline row={row} now={now} /> : null}
      <div className="buttons">
        <button
          type="button"
          className="button primary"
          onClick={() => void withKey(() => open({ kind: "override", ids: [id] }))}
        >
          Set the price…
        </button>
        <button
          type="button"
          className="button"
          onClick={() => void withKey(() => open({ kind: "freeze", scope: `product:${id}` }))}
        >
          <Snowflake size={15} aria-hidden="true" /> Freeze…
        </button>
      </div>
    </header>
  );
}

function Headline({ row, now }: { row: Row; now: number }) {
  const { data: status } = useStatus();
  const freeze = freezeOf(status?.freezes ?? [], row.id, row.category);
  return (
    <div className="headline">
      <Price price={row.price} moved={row.moved} movedAt={row.movedAt} />
      <ChangeText change={changeOf(row)} />
      <SourceTag source={row.source} boundBy={row.boundBy} frozen={freeze !== undefined} />
      <span className="dim">
        demand {formatNumber(row.demand)} · <Age at={row.updatedAt} now={now} />
      </span>
    </div>
  );
}
