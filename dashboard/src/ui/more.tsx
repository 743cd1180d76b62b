/** The button below a list that is loaded page by page; nothing after the last page. */

interface Props {
  pages: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
  text: string;
}

export function More({ pages: { hasNextPage, isFetchingNextPage, fetchNextPage }, text }: Props) {
  if (!hasNextPage) return null;
  return (
    <button type="button" className="button" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
      {isFetchingNextPage ? "Loading…" : text}
    </button>
  );
}
