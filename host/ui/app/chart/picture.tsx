/** An SVG document as an image: a browser runs no script and asks no server for what stands in one. */
import { useEffect, useState } from "preact/hooks";

export function Picture({ svg, title }: { svg: string; title: string }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [svg]);
  return url === "" ? null : <img class="picture" src={url} alt={title} />;
}
