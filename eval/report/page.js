// Sort a table by the column whose title is clicked; a second click reverses it.
for (const table of document.querySelectorAll("table.sortable")) {
  const titles = [...table.tHead.rows[0].cells];
  titles.forEach((title, column) => {
    title.tabIndex = 0;
    const sort = () => {
      const down = title.getAttribute("aria-sort") !== "descending";
      titles.forEach((other) => other.removeAttribute("aria-sort"));
      title.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => {
        const said = row.cells[column].textContent.replaceAll(",", "");
        const number = parseFloat(said);
        return Number.isNaN(number) ? said : number;
      };
      const order = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1; // unknown goes last
        return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
    };
    title.addEventListener("click", sort);
    title.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
    });
  });
}
// Printed pages show everything.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
