// Runs in the browser, at the end of a copy of the report, and leaves what it finds wrong in the document.
{
  /** CSS pixels; smaller text cannot be read */
  const LEGIBLE_PX = 9;
  /** contrast of text, WCAG 2.2, 1.4.3 (AA) */
  const TEXT_CONTRAST = 4.5;
  /** contrast of lines and marks, WCAG 2.2, 1.4.11; 2 where a legend and other marks help: dots that are 8 px wide */
  const MARK_CONTRAST = 2;
  /** boxes of letters are higher than what is drawn */
  const SLACK_PX = 2;

  const findings = [...(globalThis.failures ?? [])];
  const paper = rgb(getComputedStyle(document.body).backgroundColor);

  function rgb(text) {
    return text.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0];
  }

  function luminance(colour) {
    const [r, g, b] = colour.slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  function contrast(colour) {
    const [a, b] = [luminance(colour), luminance(paper)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }

  function isOverlapping(a, b) {
    const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    return width > SLACK_PX && height > SLACK_PX;
  }

  function isInside(inner, outer) {
    return (
      inner.left >= outer.left - SLACK_PX &&
      inner.right <= outer.right + SLACK_PX &&
      inner.top >= outer.top - SLACK_PX &&
      inner.bottom <= outer.bottom + SLACK_PX
    );
  }

  function lookAtPlot(svg, title) {
    const box = svg.getBoundingClientRect();
    const scale = box.width / svg.width.baseVal.value;
    const texts = [...svg.querySelectorAll('text')].filter((text) => text.textContent !== '');
    const boxes = texts.map((text) => text.getBoundingClientRect());
    texts.forEach((text, i) => {
      const { fontSize, fill, color } = getComputedStyle(text);
      const name = `${title}: "${text.textContent}"`;
      if (parseFloat(fontSize) * scale < LEGIBLE_PX)
        findings.push(`${name} is ${(parseFloat(fontSize) * scale).toFixed(1)} px high`);
      if (!isInside(boxes[i], box)) findings.push(`${name} is cut`);
      const ratio = contrast(rgb(fill === 'none' ? color : fill));
      if (ratio < TEXT_CONTRAST) findings.push(`${name} has a contrast of ${ratio.toFixed(1)}`);
      for (let j = 0; j < i; j++)
        if (isOverlapping(boxes[i], boxes[j]))
          findings.push(`${name} lies over "${texts[j].textContent}"`);
    });
    for (const mark of svg.querySelectorAll('[aria-label=dot] circle, [aria-label=bar] rect'))
      if (!isInside(mark.getBoundingClientRect(), box)) findings.push(`${title}: a mark is cut`);
  }

  for (const figure of document.querySelectorAll('section div > figure')) {
    const title = figure.querySelector('h3').textContent;
    const plots = figure.querySelectorAll('svg');
    const plot = [...plots].reduce((a, b) => (a.clientHeight > b.clientHeight ? a : b));
    lookAtPlot(plot, title);
    const legend = [...figure.querySelectorAll('[class*=swatches] svg')].map(
      (swatch) => getComputedStyle(swatch).fill,
    );
    for (const fill of legend)
      if (contrast(rgb(fill)) < MARK_CONTRAST)
        findings.push(`${title}: a colour has a contrast of ${contrast(rgb(fill)).toFixed(1)}`);
    const drawn = new Set(
      [...plot.querySelectorAll('[aria-label=dot] circle, [aria-label=bar] rect')].map(
        (mark) => getComputedStyle(mark).fill,
      ),
    );
    for (const fill of drawn)
      if (!legend.includes(fill)) findings.push(`${title}: ${fill} is not in the legend`);
    for (const fill of legend)
      if (!drawn.has(fill)) findings.push(`${title}: the legend has ${fill}, which is not drawn`);
  }

  for (const table of document.querySelectorAll('.table')) {
    const missing = table.scrollWidth - table.clientWidth;
    if (innerWidth >= 1280 && missing > 0) findings.push(`a table is cut by ${missing} px`);
  }
  if (document.documentElement.scrollWidth > innerWidth)
    findings.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  for (const { name } of performance.getEntriesByType('resource'))
    findings.push(`it loads ${name}`);
  for (const word of ['undefined', 'NaN', 'null', '[object'])
    if (document.body.innerText.includes(word)) findings.push(`it says "${word}"`);

  const result = document.createElement('script');
  result.type = 'application/json';
  result.id = 'findings';
  result.textContent = JSON.stringify({
    findings,
    heightPx: document.documentElement.scrollHeight,
    plots: document.querySelectorAll('section div > figure').length,
    tables: document.querySelectorAll('.table').length,
  });
  document.body.append(result);
}
