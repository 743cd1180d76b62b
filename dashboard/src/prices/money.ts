/** Amounts in one currency, in the reader's locale. */
export class Money {
  private readonly plain: Intl.NumberFormat;
  private readonly signed: Intl.NumberFormat;
  /** Minor units in one unit of the currency: 100 for GBP, 1 for JPY. */
  readonly scale: number;

  /** `currency` is its ISO 4217 code, such as GBP. `digits` is the number of decimals of its prices, which the server
   * says: browsers have lists of their own. */
  constructor(
    readonly currency: string,
    readonly digits: number,
  ) {
    const form = {
      style: "currency",
      currency,
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    } as const;
    this.plain = new Intl.NumberFormat(undefined, form);
    this.signed = new Intl.NumberFormat(undefined, { ...form, signDisplay: "exceptZero" });
    this.scale = 10 ** digits;
  }

  format = (amount: number): string => this.plain.format(amount);

  /** With a plus sign in front of a positive amount. */
  formatSigned = (amount: number): string => this.signed.format(amount);
}
