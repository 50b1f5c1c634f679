// What the lab's report service would be today: Express, and one GetItem for one answer.
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import express from "express";

const table = process.env.TRASH_SUFFIX ? `trash-levels-${process.env.TRASH_SUFFIX}` : "trash-levels";
// Endpoint, region and credentials come from AWS's own variables; the SDK keeps its connections open by itself.
const dynamodb = new DynamoDBClient();
const app = express();

app.get("/reports/:id", async (request, response) => {
  let found;
  try {
    found = await dynamodb.send(new GetItemCommand({ TableName: table, Key: { id: { S: request.params.id } } }));
  } catch (error) {
    console.error(error.message);
    return response.status(503).set("Retry-After", "5").send("Error: store unavailable");
  }
  if (!found.Item) return response.status(404).send("Error: Trash Can not found");
  response.json({ can_id: found.Item.id.S, level: found.Item.level.S });
});

app.listen(Number(process.env.PORT), "127.0.0.1");
