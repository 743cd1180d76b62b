/** Amounts in one currency, in the reader's locale. */
export class Money {
  private readonly plain: Intl.NumberFormat;
  private readonly signed: Intl.NumberFormat;
  /** The number of decimals that the currency has. */
  readonly digits: number;

  /** `currency` is its ISO 4217 code, such as GBP. */
  constructor(readonly currency: string) {
    this.plain = new Intl.NumberFormat(undefined, { style: "currency", currency });
    this.signed = new Intl.NumberFormat(undefined, { style: "currency", currency, signDisplay: "exceptZero" });
    this.digits = this.plain.resolvedOptions().maximumFractionDigits ?? 2;
  }

  format = (amount: number): string => this.plain.format(amount);

  /** With a plus sign in front of a positive amount. */
  formatSigned = (amount: number): string => this.signed.format(amount);
}
