import { check, withPage } from "./browser.mjs";

/** An admin makes a sign-in link for a second person, who may do what it says, until the admin revokes it. */
export function keys(link) {
  return withPage(link, async (page, { origin, accessible }) => {
    await page.goto(`${origin}/keys`);
    await page.locator("tbody tr").first().waitFor();
    await accessible();
    await page.getByRole("button", { name: "New key" }).click();
    await page.getByLabel("Who", { exact: true }).fill("eve@example.org");
    await page.getByLabel("What it may do").selectOption("read");
    await page.getByLabel("Name of the key").fill("Eve's phone");
    await accessible();
    await page.getByRole("button", { name: "Make the key" }).click();
    const signIn = await page.getByLabel("Sign-in link", { exact: true }).inputValue();
    check(signIn.startsWith(`${origin}/#key=bk_`), `the link is ${signIn}`);
    await accessible();
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByText("Eve's phone").waitFor();

    // What the reader's page asks just then, between the revocation and the word of it, is refused, and the browser notes that.
    await withPage(
      signIn,
      async (other) => {
        await other.getByText("eve@example.org").first().waitFor();
        check((await other.getByRole("link", { name: "Keys and members" }).count()) === 0, "a reader is shown the way to the keys");

        await page.getByRole("button", { name: /Revoke the key of user:eve@example.org/ }).click();
        await accessible();
        await page.getByRole("button", { name: "Revoke the key", exact: true }).click();
        await page.getByRole("button", { name: /Revoke the key of user:eve@example.org/ }).waitFor({ state: "detached" });
        // Whoever is connected with it is cut off, and told why.
        await other.getByText("This key has been revoked.").waitFor();
      },
      { expected: /status of 401/ },
    );
    await page.getByRole("button", { name: "All", exact: true }).click();
    await page.locator("tr", { hasText: "Eve's phone" }).getByText("revoked", { exact: true }).waitFor();
  });
}
